"""The intention-behavior gap: joint model, surrogacy, action control, indirect effects."""
