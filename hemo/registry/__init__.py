"""From a candidate to production: the gate and its conditions, versions, aliases, the ledger, the panel."""
