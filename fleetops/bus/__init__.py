"""The bus: one protocol (``base``), two implementations (``local``, ``kafka``)."""
