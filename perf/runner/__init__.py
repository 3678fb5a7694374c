"""What perf's commands are made of: options, processes, plan, report, plot. Standard library only."""
