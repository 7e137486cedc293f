// Polls, reactions, the two logs, the gate, delivery.
