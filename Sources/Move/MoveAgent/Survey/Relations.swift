/// Which processes of this host belong to which tree of the group, for what one of them shares with others.
struct Relations {
    /// Of each process of the group the top of its tree.
    let trees: [Int32: Int32]

    init(_ processes: [SurveyedProcess]) {
        trees = Dictionary(processes.map { ($0.pid, $0.tree) }) { first, _ in first }
    }

    /// One that is not brought over together with a tree.
    struct Outsider {
        var pid: Int32
        /// Whether it is one of the group, in another tree.
        var isMember: Bool

        /// For people.
        var name: String { Holders.name(pid) + (isMember ? ", of the group, in another tree" : "") }

        /// What can be done about something that is shared with it.
        func cure(close: String) -> String {
            isMember
                ? "have one process start both, or use cold"
                : "move \(Holders.name(pid)) as well, started by the same process; or \(close), or use cold"
        }
    }

    /// The first that is of another tree, those outside of the group before its members; `nil` where all are of that tree.
    func outsider(among pids: [Int32], to tree: Int32) -> Outsider? {
        let others = pids.filter { trees[$0] != tree }
        let outside = others.first { trees[$0] == nil }
        return (outside ?? others.first).map { Outsider(pid: $0, isMember: trees[$0] != nil) }
    }
}
