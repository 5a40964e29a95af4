"""From incidents to actions on the scheduler, inside the policy."""
