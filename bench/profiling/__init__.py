"""Where Akashi's time goes: a sampling profile of the daemon under a workload.

`hook/sitecustomize.py` is put on the daemon's path and takes the samples; `sampling.py` runs daemon and load; `digest.py`
counts. Sampling, because a tracing profiler makes small functions look far dearer than they are.
"""
