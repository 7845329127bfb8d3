"""What decides: settings, catalogue, plan and checks. Nothing here imports pulumi."""
