"""What a run found: kept, judged, and shown as tables, plots and comparisons."""
