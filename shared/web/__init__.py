"""What both services' HTTP doors share: problems, authentication, health."""
