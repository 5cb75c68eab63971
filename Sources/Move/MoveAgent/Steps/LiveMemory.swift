/// When the memory of processes that go on alive comes over.
public enum LiveMemory: String, Sendable {
    /// Most of it while they run; when they are stopped, what differs from that by then.
    case ahead
    /// All of it while they are stopped.
    case whole
    /// Once they run at the destination: what is touched first, then the rest. Until all of it is there they need both hosts.
    case fetched
}
