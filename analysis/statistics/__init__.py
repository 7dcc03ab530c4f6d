"""Numbers from few seeds."""
