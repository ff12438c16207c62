"""The detector: trains, predicts, calibrates and ranks. Plain Python: nothing here knows of Django or a database."""
