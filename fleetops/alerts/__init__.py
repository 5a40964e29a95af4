"""From incidents and actions to the people who must know."""
