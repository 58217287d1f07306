"""A whole network: read from a model, and composed to one step."""
