"""The records of RFC 5155's appendix B, as published (the zone `example.` of appendix A; keys 40430 and 12708, RSA/SHA-1
with NSEC3; every NSEC3 has Opt-Out set, 12 iterations and the salt aabbccdd).

Signatures are valid 2005-10-21 … 2015-04-20. Records of the same owner and type are one RRset.
"""

NOW = 1300000000.0
"""2011-03-13 07:06:40 UTC."""

HASHES = {
    "example": "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
    "a.example": "35mthgpgcu1qg68fab165klnsnk3dpvl",
    "ai.example": "gjeqe526plbf1g8mklp59enfd789njgi",
    "ns1.example": "2t7b4g4vsa5smi47k61mv5bv1a22bojr",
    "ns2.example": "q04jkcevqvmu85r014c7dkba38o0ji5r",
    "w.example": "k8udemvp1j2f7eg6jebps17vp3n8i58h",
    "*.w.example": "r53bq7cc2uvmubfu5ocmm6pers9tk9en",
    "x.w.example": "b4um86eghhds6nea196smvmlo4ors995",
    "y.w.example": "ji6neoaepv8b5o6k4ev33abha8ht9fgc",
    "x.y.w.example": "2vptu5timamqttgl4luu9kg21e0aor3s",
    "xx.example": "t644ebqk9bibcna874givr6joj62mlhv",
}
"""Appendix A's list of original owner names."""

ZONE = """
example. IN SOA ns1.example. bugs.x.w.example. 1 3600 300 3600000 3600
example. IN RRSIG SOA 7 1 3600 20150420235959 20051021000000 40430 example. (
  Hu25UIyNPmvPIVBrldN+9Mlp9Zql39qaUd8i q4ZLlYWfUUbbAS41pG+68z81q1xhkYAcEyHd
  VI2LmKusbZsT0Q== )
example. IN NS ns1.example.
example. IN NS ns2.example.
example. IN RRSIG NS 7 1 3600 20150420235959 20051021000000 40430 example. (
  PVOgtMK1HHeSTau+HwDWC8Ts+6C8qtqd4pQJ qOtdEVgg+MA+ai4fWDEhu3qHJyLcQ9tbD2vv
  CnMXjtz6SyObxA== )
example. IN DNSKEY 256 3 7 (
  AwEAAaetidLzsKWUt4swWR8yu0wPHPiUi8LU sAD0QPWU+wzt89epO6tHzkMBVDkC7qphQO2h
  TY4hHn9npWFRw5BYubE= )
example. IN DNSKEY 257 3 7 (
  AwEAAcUlFV1vhmqx6NSOUOq2R/dsR7Xm3upJ j7IommWSpJABVfW8Q0rOvXdM6kzt+TAu92L9
  AbsUdblMFin8CVF3n4s= )
example. IN RRSIG DNSKEY 7 1 3600 20150420235959 20051021000000 12708 example. (
  AuU4juU9RaxescSmStrQks3Gh9FblGBlVU31 uzMZ/U/FpsUb8aC6QZS+sTsJXnLnz7flGOsm
  MGQZf3bH+QsCtg== )
0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. IN NSEC3 1 1 12 aabbccdd (
  2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG )
0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. IN RRSIG NSEC3 7 2 3600 20150420235959 20051021000000 40430 example. (
  OSgWSm26B+cS+dDL8b5QrWr/dEWhtCsKlwKL IBHYH6blRxK9rC0bMJPwQ4mLIuw85H2EY762
  BOCXJZMnpuwhpA== )
2t7b4g4vsa5smi47k61mv5bv1a22bojr.example. IN NSEC3 1 1 12 aabbccdd (
  2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG )
2t7b4g4vsa5smi47k61mv5bv1a22bojr.example. IN RRSIG NSEC3 7 2 3600 20150420235959 20051021000000 40430 example. (
  OmBvJ1Vgg1hCKMXHFiNeIYHK9XVW0iLDLwJN 4TFoNxZuP03gAXEI634YwOc4YBNITrj413iq
  NI6mRk/r1dOSUw== )
35mthgpgcu1qg68fab165klnsnk3dpvl.example. IN NSEC3 1 1 12 aabbccdd (
  b4um86eghhds6nea196smvmlo4ors995 NS DS RRSIG )
35mthgpgcu1qg68fab165klnsnk3dpvl.example. IN RRSIG NSEC3 7 2 3600 20150420235959 20051021000000 40430 example. (
  g6jPUUpduAJKRljUsN8gB4UagAX0NxY9shwQ Aynzo8EUWH+z6hEIBlUTPGj15eZll6VhQqgZ
  XtAIR3chwgW+SA== )
b4um86eghhds6nea196smvmlo4ors995.example. IN NSEC3 1 1 12 aabbccdd (
  gjeqe526plbf1g8mklp59enfd789njgi MX RRSIG )
b4um86eghhds6nea196smvmlo4ors995.example. IN RRSIG NSEC3 7 2 3600 20150420235959 20051021000000 40430 example. (
  ZkPG3M32lmoHM6pa3D6gZFGB/rhL//Bs3Omh 5u4m/CUiwtblEVOaAKKZd7S959OeiX43aLX3
  pOv0TSTyiTxIZg== )
ji6neoaepv8b5o6k4ev33abha8ht9fgc.example. IN NSEC3 1 1 12 aabbccdd (
  k8udemvp1j2f7eg6jebps17vp3n8i58h )
ji6neoaepv8b5o6k4ev33abha8ht9fgc.example. IN RRSIG NSEC3 7 2 3600 20150420235959 20051021000000 40430 example. (
  gPkFp1s2QDQ6wQzcg1uSebZ61W33rUBDcTj7 2F3kQ490fEdp7k1BUIfbcZtPbX3YCpE+sIt0
  MpzVSKfTwx4uYA== )
k8udemvp1j2f7eg6jebps17vp3n8i58h.example. IN NSEC3 1 1 12 aabbccdd (
  kohar7mbb8dc2ce8a9qvl8hon4k53uhi )
k8udemvp1j2f7eg6jebps17vp3n8i58h.example. IN RRSIG NSEC3 7 2 3600 20150420235959 20051021000000 40430 example. (
  FtXGbvF0+wf8iWkyo73enAuVx03klN+pILBK S6qCcftVtfH4yVzsEZquJ27NHR7ruxJWDNMt
  Otx7w9WfcIg62A== )
q04jkcevqvmu85r014c7dkba38o0ji5r.example. IN NSEC3 1 1 12 aabbccdd (
  r53bq7cc2uvmubfu5ocmm6pers9tk9en A RRSIG )
q04jkcevqvmu85r014c7dkba38o0ji5r.example. IN RRSIG NSEC3 7 2 3600 20150420235959 20051021000000 40430 example. (
  hV5I89b+4FHJDATp09g4bbN0R1F845CaXpL3 ZxlMKimoPAyqletMlEWwLfFia7sdpSzn+ZlN
  NlkxWcLsIlMmUg== )
r53bq7cc2uvmubfu5ocmm6pers9tk9en.example. IN NSEC3 1 1 12 aabbccdd (
  t644ebqk9bibcna874givr6joj62mlhv MX RRSIG )
r53bq7cc2uvmubfu5ocmm6pers9tk9en.example. IN RRSIG NSEC3 7 2 3600 20150420235959 20051021000000 40430 example. (
  aupviViruXs4bDg9rCbezzBMf9h1ZlDvbW/C ZFKulIGXXLj8B/fsDJarXVDA9bnUoRhEbKp+
  HF1FWKW7RIJdtQ== )
a.z.w.example. IN MX 1 ai.example.
a.z.w.example. IN RRSIG MX 7 2 3600 20150420235959 20051021000000 40430 example. (
  CikebjQwGQPwijVcxgcZcSJKtfynugtlBiKb 9FcBTrmOoyQ4InoWVudhCWsh/URX3lc4WRUM
  ivEBP6+4KS3ldA== )
ai.example. IN A 192.0.2.9
ai.example. IN RRSIG A 7 2 3600 20150420235959 20051021000000 40430 example. (
  hVe+wKYMlObTRPhX0NL67GxeZfdxqr/QeR6F tfdAj5+FgYxyzPEjIzvKWy00hWIl6wD3Vws+
  rznEn8sQ64UdqA== )
ai.example. IN AAAA 2001:db8::f00:baa9
ai.example. IN RRSIG AAAA 7 2 3600 20150420235959 20051021000000 40430 example. (
  LcdxKaCB5bGZwPDg+3JJ4O02zoMBrjxqlf6W uaHQZZfTUpb9Nf2nxFGe2XRPfR5tpJT6GdRG
  cHueLuXkMjBArQ== )
"""
