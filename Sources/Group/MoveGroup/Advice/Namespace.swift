/// A Linux namespace, and whether a container of a group needs one of its own.
public struct Namespace: Sendable {
    /// Which, as lsns(8) and unshare(1) name it.
    public enum Kind: String, Sendable, CaseIterable {
        case mount, network, ipc, pid, uts, user, cgroup
    }

    /// Whether it is needed.
    public enum Need: String, Sendable {
        /// Something that the group does is isolated by it.
        case needed
        /// Nothing that is known asks for it.
        case notSeen = "not-seen"
        /// The records cannot tell.
        case notTold = "not-told"
    }

    /// Which.
    public var kind: Kind
    /// Whether it is needed.
    public var need: Need
    /// Why, as a clause.
    public var reason: StaticString
    /// What asks for it.
    public var finding: HostUses.Finding?

    static func all(for uses: HostUses) -> [Namespace] { Kind.allCases.map { make($0, uses) } }

    private static func make(_ kind: Kind, _ uses: HostUses) -> Namespace {
        let finding: HostUses.Finding?
        let (needed, otherwise): (StaticString, StaticString)
        switch kind {
        case .mount:
            return Namespace(kind: kind, need: .needed, reason: "its files are its own")
        case .user:
            return Namespace(
                kind: kind, need: .notTold, reason: "records have no users; keeps root from being the host's")
        case .network:
            finding = uses.findings(.listen, .connect, .accept, .abstractUnix, .networkSetting).first
            (needed, otherwise) = ("addresses, ports and abstract sockets", "no use of the network was seen")
        case .ipc:
            finding = uses.findings(.shm, .sem, .msg, .mqueue, .ipcSetting).first
            (needed, otherwise) = (
                "System V IPC and POSIX message queues", "no System V IPC or message queue was seen"
            )
        case .pid:
            finding = uses.findings(.spawn, .processes).first
            (needed, otherwise) = ("processes that it starts or looks at", "it starts no program")
        case .uts:
            finding = uses.findings(.hostName).first
            (needed, otherwise) = ("the name of the host", "uname is not watched; it keeps a host's name")
        case .cgroup:
            finding = uses.findings(.controlGroup).first
            (needed, otherwise) = ("its control groups", "no use of control groups was seen")
        }
        return Namespace(
            kind: kind, need: finding == nil ? .notSeen : .needed,
            reason: finding == nil ? otherwise : needed, finding: finding)
    }
}
