"""When, with what and where: settings, resources, definitions, refresh and the command line."""
