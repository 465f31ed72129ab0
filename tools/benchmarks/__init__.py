"""What `tools/bench.py` times: functions that return named actions, the reference first."""
