"""What Akashi and the installed peers say of every published misconfiguration: measured, judged, written to docs/EDE.md.

`specificity` says which of two Extended DNS Errors tells more, `measure` asks, `document` writes and reads the page.
"""
