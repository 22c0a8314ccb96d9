"""OTLP in: gRPC and HTTP, both before one `export`."""
