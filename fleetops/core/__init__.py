"""What every part needs: configuration, errors, clock, logging, metrics, plug-ins."""
