"""What packages of users' own components build on beside the components' own packages."""
