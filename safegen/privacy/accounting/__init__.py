"""Plans, budgets and certificates: what is spent; never imports torch."""
