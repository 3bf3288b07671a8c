"""Where a run starts from, unless its caller says otherwise: one file of presets a kind of data."""
