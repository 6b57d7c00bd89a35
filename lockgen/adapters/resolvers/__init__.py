"""The resolvers behind the port, looked up in one table."""
