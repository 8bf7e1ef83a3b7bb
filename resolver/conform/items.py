"""The guideline's items 2-1 … 2-22: what each asks for, how strongly, and which level of 2.7 needs it.

The guideline defines level 1 as all MUST and MUST NOT (2.7.1). Level 2 is that failures are noticed and can be explained:
the SHOULDs of 2.4(2) and 2.5.2, and those of 2.7.2. Level 3 is that something can be done about them: the SHOULDs of 2.7.3.
SHOULDs that are in none of these sections (2-5, 2-8, 2-14) and the MAYs are told, and keep nobody from a level.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Item:
    """One requirement.

    Attributes:
        number: as the guideline numbers it; strength: MUST, MUST NOT, SHOULD or MAY.
        level: the level that needs it; None when no level does.
        en, ja: what it asks for, in short.
    """

    number: str
    strength: str
    level: int | None
    en: str
    ja: str

    def title(self, language: str) -> str:
        """What it asks for."""
        return self.ja if language == "ja" else self.en


ITEMS: Final = (
    Item("2-1", "MUST", 1, "every advertised resolver validates", "公開している全フルリゾルバーがDNSSEC検証を行う"),
    Item(
        "2-2", "MUST NOT", 1, "no advertised resolver is left without validation", "検証を行わないフルリゾルバーを残さない"
    ),
    Item("2-3", "MUST", 1, "the clock follows a trusted source", "時刻を信頼できる時刻ソースと同期する"),
    Item("2-4", "MUST NOT", 1, "no EDNS buffer above common MTUs", "EDNSバッファーサイズを一般的なMTU値より大きくしない"),
    Item(
        "2-5",
        "SHOULD",
        None,
        "the software's default EDNS buffer",
        "EDNSバッファーサイズはソフトウェアのデフォルト値を使う",
    ),
    Item("2-6", "MAY", None, "Extended DNS Errors", "拡張DNSエラー(EDE)を導入する"),
    Item("2-7", "MUST", 1, "the newest trust anchor", "最新のトラストアンカーを使う"),
    Item(
        "2-8",
        "SHOULD",
        None,
        "the packaged trust anchor, kept current",
        "パッケージ付属のトラストアンカーを使い、更新を怠らない",
    ),
    Item("2-9", "SHOULD", 2, "validation failures are logged", "署名検証エラーをログに出力する"),
    Item("2-10", "SHOULD", 2, "statistics of queries by RCODE", "応答のRCODEごとの問い合わせ数を統計として出力する"),
    Item("2-11", "SHOULD", 2, "metrics of validation successes and failures", "署名検証の成功数・失敗数を取得する"),
    Item("2-12", "MUST", 1, "clock and signed names are monitored", "時刻同期と署名された名前の解決を監視する"),
    Item("2-13", "SHOULD", 2, "changes of the SERVFAIL ratio are noticed", "SERVFAILの数・割合の変化を調べる仕組みを持つ"),
    Item("2-14", "SHOULD", None, "levels 1, 2, 3, one after the other", "レベル1から2、3へと段階的に対応する"),
    Item("2-15", "SHOULD", 2, "thresholds from statistics collected first", "統計を一定期間取得してからしきい値を決める"),
    Item("2-16", "SHOULD", 2, "others are told according to impact", "影響度に応じて情報を展開する"),
    Item("2-17", "SHOULD", 2, "the answering instance is known (NSID)", "NSIDで応答したインスタンスを把握する"),
    Item("2-18", "SHOULD", 2, "the chain of trust can be examined from here", "自分のASから信頼の連鎖を調査できる"),
    Item(
        "2-19", "MAY", None, "the domain's contact is told, with evidence", "証跡を添えてドメイン名の連絡先に修正を依頼する"
    ),
    Item("2-20", "SHOULD", 3, "the operators' community is listened to", "dnsops.jpやDNS-OARCの情報を常に把握する"),
    Item("2-21", "MAY", None, "negative trust anchors are possible", "ネガティブトラストアンカー(NTA)を設定できる"),
    Item(
        "2-22", "SHOULD", 3, "the NTA procedure is agreed beforehand", "NTAの基準・承認者・設定と解除の手順を事前に定める"
    ),
)
"""In the guideline's order."""

BY_NUMBER: Final = {item.number: item for item in ITEMS}
