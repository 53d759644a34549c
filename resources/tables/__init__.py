"""Tables on disk or in a bucket (Delta), and the engine that reads them (DuckDB by Ibis)."""
