-- The key with which the receivers of an escalation policy's webhooks check that a message is this service's. It is written and
-- never shown.
ALTER TABLE escalation_policies ADD COLUMN webhook_secret text CHECK (length(webhook_secret) BETWEEN 16 AND 256);
