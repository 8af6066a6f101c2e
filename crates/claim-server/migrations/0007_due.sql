-- Claims of before deadlines were kept: looked at when something next happens, not all at once as if just missed.
UPDATE claim SET due_at = NULL WHERE due_at = 0;
