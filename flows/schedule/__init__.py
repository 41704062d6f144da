"""Schedule: retraining by clock, by new data and by drift on a Prefect server, and the alarms around it."""
