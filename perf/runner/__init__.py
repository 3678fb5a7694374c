"""What perf/run is made of: processes, plan, report, plot. Standard library only."""
