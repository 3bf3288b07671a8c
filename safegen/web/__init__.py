"""A service and a page: files to verdicts, for programs and for people (`safegen serve`).

application    the parts put together
entrance       what every request passes: host, size, time, headers, log, metrics
problems       what is answered when there is no answer (RFC 9457)
bodies         what was sent, in memory and within limits
verifying      files to verdicts, in processes of their own
generating     releases, by a process of its own that alone loads torch
access         keys of those who may generate
routes/        an endpoint a file; `page` is for people
page           verdicts as HTML
metrics, logs  what operators see; nothing about persons
server         processes, sockets, signals

Nothing here imports torch.
"""
