"""The guarantee: plan, accounting, engine, one-shot releases, budget, certificate."""
