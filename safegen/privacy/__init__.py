"""The guarantee.

accounting/   plans, budgets, certificates: what is spent; never loads torch
execution/    what cannot change epsilon: precision, devices, memory, processes
clipping/     per-unit gradients, clipped and summed
mechanism/    what may look at records: the private step and the releases, their sampling and noise
"""
