"""Every sentence of a conformance report, in English and Japanese."""

from collections.abc import Sequence
from typing import Final

from resolver.conform.judge import Finding, Met, judge, level

LANGUAGES: Final = ("en", "ja")

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "no-resolvers": (
        "no advertised address is known: name every address that clients are given in conform.resolvers",
        "公開しているアドレスが分かりません。利用者に案内している全アドレスを conform.resolvers に設定してください",
    ),
    "validates": ("{address} validates: {why}", "{address} は検証しています: {why}"),
    "validates-no": ("{address} does not validate: {why}", "{address} は検証していません: {why}"),
    "validates-dead": ("{address} does not answer: {why}", "{address} は応答しません: {why}"),
    "validates-unclear": ("{address} cannot be judged: {why}", "{address} は判定できません: {why}"),
    "no-bogus-name": (
        "no broken name to test with (probe.bogus): a resolver that forwards to a validating one looks the same",
        "検証に失敗するはずの名前が未設定です(probe.bogus)。検証を上流に任せているだけの場合と区別できません",
    ),
    "left-behind": (
        "without validation: {addresses}; clients that get SERVFAIL elsewhere go there and are misled",
        "検証していないもの: {addresses}。他でSERVFAILを受け取った利用者がここで偽の応答に誘導されます",
    ),
    "not-shown": ("{address} could not be shown to validate: {why}", "{address} が検証していることを確認できません: {why}"),
    "none-left": ("all {count} advertised addresses validate", "公開している{count}個のアドレスすべてが検証しています"),
    "anchors-differ": ("they trust different anchors: {said}", "トラストアンカーが一致していません: {said}"),
    "clock-wrong": (
        "our clock is {offset} s off, {allowed} s are allowed: signatures are judged at the wrong time",
        "時刻が{offset}秒ずれています(許容{allowed}秒)。署名の有効期間を正しく判定できません",
    ),
    "clock-right": (
        "offset {offset} s by {reached} of {servers} time servers, measured {age} s ago",
        "時刻のずれは{offset}秒({servers}台中{reached}台のNTPサーバーで{age}秒前に測定)",
    ),
    "clock-no-server": ("none of {servers} time servers answers", "{servers}台のNTPサーバーがいずれも応答しません"),
    "clock-disagree": (
        "{reached} of {servers} time servers answer, and they disagree: configure three or more",
        "{servers}台中{reached}台のNTPサーバーが応答しましたが、時刻が一致しません。3台以上を設定してください",
    ),
    "clock-kernel": ("the kernel says that its clock is synchronised", "カーネルは時刻が同期されていると報告しています"),
    "clock-unknown": (
        "nobody says whether the clock is right: set clock.ntp-servers, and run an NTP client",
        "時刻が正しいか確認できません。NTPクライアントを動かし、clock.ntp-servers を設定してください",
    ),
    "edns-lost": (
        "{address} answers without EDNS: something on the way takes it out",
        "{address} の応答にEDNSがありません。経路上の何かが取り除いています",
    ),
    "edns-large": (
        "{address} tells an EDNS buffer of {buffer} octets, above common MTUs",
        "{address} のEDNSバッファーサイズは{buffer}で、一般的なMTU値を超えています",
    ),
    "edns-fits": ("{address} tells {buffer} octets", "{address} のEDNSバッファーサイズは{buffer}です"),
    "edns-ours": (
        "we ask for {upstream} and send {client} octets at most; the configuration refuses more than 1232",
        "当方の設定は上流向け{upstream}、利用者向け{client}です(1232を超える設定は拒否されます)",
    ),
    "edns-default": ("{default}, the default", "デフォルト値の{default}です"),
    "edns-not-default": ("{ours} instead of the default {default}", "デフォルト値{default}ではなく{ours}です"),
    "ede-seen": (
        "broken names come with an Extended DNS Error from {addresses}",
        "{addresses} は検証失敗に拡張DNSエラーを付けます",
    ),
    "ede-on": ("always on", "常に有効です"),
    "anchor-none": (
        "there is no usable trust anchor for the root: nothing below it can be validated",
        "ルートの使えるトラストアンカーがありません。検証ができない状態です",
    ),
    "anchor-not-compared": (
        "we trust {ours}, but the root's keys could not be had to compare: {problem}",
        "トラストアンカーは{ours}ですが、ルートの鍵を取得できず比較できません: {problem}",
    ),
    "anchor-stale": (
        "we trust {ours}, but the root signs with {live}: {problem}",
        "トラストアンカー{ours}では、現在のルートの鍵{live}を検証できません: {problem}",
    ),
    "anchor-missing": (
        "we trust {ours}; the root's keys are {live}: {missing} is missing",
        "トラストアンカーは{ours}、現在のルートの鍵は{live}です。{missing}が不足しています",
    ),
    "anchor-newest": (
        "we trust {ours}; the root's keys are {live}",
        "トラストアンカーは{ours}、現在のルートの鍵は{live}です",
    ),
    "anchor-pending": ("{pending} is in its hold-down (RFC 5011)", "{pending}は追加待機期間中です(RFC 5011)"),
    "anchor-followed": ("RFC 5011 last saw them valid {last}", "RFC 5011による最終確認は{last}です"),
    "anchor-packaged": ("packaged with version {version}", "バージョン{version}に付属のものです"),
    "anchor-file-followed": ("from a file, kept current by RFC 5011", "ファイルから読み込み、RFC 5011で更新しています"),
    "anchor-file": (
        "from a file, and nothing keeps it current (trust.rfc5011 is off)",
        "ファイルから読み込んでおり、自動更新されません(trust.rfc5011 が無効です)",
    ),
    "log-off": ("log.validation-failures is off", "log.validation-failures が無効です"),
    "log-level": ("log.level {level} leaves them out", "log.level が {level} のため出力されません"),
    "log-on": (
        "one line for each new failure: zone, record, key tag, servers, reason",
        "新しい失敗ごとに1行(ゾーン、レコード、鍵タグ、サーバー、理由)を出力します",
    ),
    "metrics-off": ("metrics.listen is off", "metrics.listen が無効です"),
    "by-rcode": ("akashi_responses_total at {where}: {counts}", "{where} の akashi_responses_total: {counts}"),
    "by-verdict": ("akashi_validations_total at {where}: {counts}", "{where} の akashi_validations_total: {counts}"),
    "never-scraped": ("nobody has collected it since the start", "起動後、まだ一度も収集されていません"),
    "scraped": ("collected {ago} s ago", "{ago}秒前に収集されました"),
    "clock-not-monitored": (
        "the clock is not monitored: set clock.ntp-servers",
        "時刻同期が監視されていません。clock.ntp-servers を設定してください",
    ),
    "clock-monitored": ("the clock is monitored, and right", "時刻同期を監視しており、正常です"),
    "clock-monitored-bad": ("the clock is monitored; see 2-3", "時刻同期を監視しています。状態は2-3を参照してください"),
    "no-probe": (
        "no signed name is probed: set probe.secure",
        "署名された名前の監視がありません。probe.secure を設定してください",
    ),
    "probe-waiting": ("{name} has not been probed yet", "{name} の監視はまだ実行されていません"),
    "probe-fails": ("the probe of {name} fails: {problem}", "{name} の監視が異常です: {problem}"),
    "probes-well": ("as expected: {names}", "期待どおりの結果: {names}"),
    "baseline-off": ("the SERVFAIL ratio is not watched", "SERVFAIL率の監視が無効です"),
    "ratio": (
        "SERVFAIL ratio {ratio}, compared with its learnt baseline",
        "SERVFAIL率は{ratio}で、学習した基準値と比較しています",
    ),
    "ratio-anomaly": ("it is above the threshold now", "現在しきい値を超えています"),
    "baseline-learning": (
        "statistics are collected, {minutes} of {wanted} minutes; no threshold yet",
        "統計を取得中で({wanted}分のうち{minutes}分)、しきい値は未定です",
    ),
    "baseline-threshold": (
        "the threshold is {threshold} of all responses, after {minutes} minutes of statistics",
        "{minutes}分間の統計を取得しており、しきい値は全応答の{threshold}です",
    ),
    "baseline-suggests": ("what was learnt suggests {suggested}", "統計から提案されるしきい値は{suggested}です"),
    "attest": (
        "people have to answer for this: write it, with the date, as conform.attest.{number}",
        "組織として取り決める項目です。内容と日付を conform.attest.{number} に記載してください",
    ),
    "attest-old": (
        "attested on {date}, too long ago; review it: {text}",
        "{date}の記載が古くなっています。見直してください: {text}",
    ),
    "attested": ("attested on {date}: {text}", "{date}に確認: {text}"),
    "impact": (
        "akashi impact ranks failing zones by clients and queries ({zones} now)",
        "akashi impact が検証失敗中のゾーンを影響度順に示します(現在{zones}件)",
    ),
    "nsid": ("{address} says {nsid}", "{address} のNSIDは {nsid} です"),
    "nsid-none": ("{address} tells no NSID", "{address} はNSIDを返しません"),
    "nsid-authorities": (
        "{count} authorities told theirs in the chain examined for 2-18",
        "2-18で調査した信頼の連鎖では{count}台の権威DNSサーバーがNSIDを返しました",
    ),
    "explain-no-name": (
        "no name to try it with: set probe.secure",
        "試すための名前がありません。probe.secure を設定してください",
    ),
    "explain-fails": ("akashi explain {name} fails: {problem}", "akashi explain {name} が異常です: {problem}"),
    "explain-works": (
        "akashi explain {name}: {links} links from the trust anchor to the answer, all hold",
        "akashi explain {name}: トラストアンカーから応答まで{links}段すべて正常です",
    ),
    "contact": (
        "akashi explain NAME --html FILE makes the evidence; it names the zone's contact (SOA RNAME)",
        "akashi explain NAME --html FILE で証跡を作成できます(連絡先としてSOAのRNAMEを示します)",
    ),
    "nta-possible": ("{count} in force", "現在有効なNTAは{count}件です"),
    "nta-limits": ("no longer than {lifetime}", "有効期間の上限は{lifetime}です"),
    "nta-approval": ("a second person approves", "別の担当者の承認が必要です"),
    "nta-no-approval": (
        "nobody has to approve (trust.nta.require-approval is off)",
        "承認は不要の設定です(trust.nta.require-approval が無効)",
    ),
    "level": ("level {level} is reached", "レベル{level}に達しています"),
    "level-none": ("level 1 is not reached", "レベル1に達していません"),
    "next": ("for level {level}: {numbers}", "レベル{level}には次の項目が必要です: {numbers}"),
}

_STATES: Final = {
    Met.YES: ("met", "適合"),
    Met.NO: ("missed", "不適合"),
    Met.ATTESTED: ("attested", "申告"),
    Met.NOTED: ("noted", "参考"),
}


def sentence(key: str, values: dict[str, object], language: str) -> str:
    """One sentence."""
    return SENTENCES[key][LANGUAGES.index(language)].format(**values)


def state(met: Met, language: str) -> str:
    """The word for it."""
    return _STATES[met][LANGUAGES.index(language)]


def document(findings: Sequence[Finding], language: str) -> dict[str, object]:
    """The whole report, for the control API."""
    reached = level(findings)
    lacking = [finding.item.number for finding in findings if finding.item.level == reached + 1 and not finding.holds]
    return {
        "level": reached,
        "language": language,
        "summary": sentence("level", {"level": reached}, language) if reached else sentence("level-none", {}, language),
        "next": {
            "level": reached + 1,
            "items": lacking,
            "text": sentence("next", {"level": reached + 1, "numbers": ", ".join(lacking)}, language),
        }
        if lacking
        else None,
        "items": [
            {
                "item": finding.item.number,
                "strength": finding.item.strength,
                "level": finding.item.level,
                "title": finding.item.title(language),
                "met": finding.met.value,
                "state": state(finding.met, language),
                "evidence": [sentence(key, values, language) for key, values in finding.words],
            }
            for finding in findings
        ],
    }


__all__ = ["LANGUAGES", "SENTENCES", "document", "judge", "sentence", "state"]
