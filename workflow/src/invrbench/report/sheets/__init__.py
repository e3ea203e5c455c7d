"""The sheets of results.xlsx, one module per group."""
