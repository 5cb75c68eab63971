import MovePlan
import Records
import Text

/// What is brought to the destination by nobody, since it is there already.
extension Departure {
    private var sharedPath: String { folder + "/shared.json" }

    /// As it was found last.
    func recallShared() {
        origin.shared = SafeFile.read(sharedPath)?.array?.compactMap { SharedStorage($0) } ?? []
    }

    /// Finds out which filesystems of other machines the destination has mounted as this host has.
    func findShared() throws(MoveError) -> (problems: [String], notes: [String]) {
        // What a cell has of them is not below its root.
        let wanted =
            origin.isAtHost ? SharedStorage.here().filter(isNeeded) : origin.cell?.state.shared ?? []
        var found: [SharedStorage] = []
        // A machine's kernel would have to mount it itself.
        if !wanted.isEmpty, order.isolation != .machine {
            let asked = wanted.map { storage in
                JSONValue.object([
                    .init("storage", storage.value),
                    .init(
                        "sample",
                        .array(
                            storage.sample.map {
                                .array([.string(PlanText.text($0.name)), .integer(Int128($0.size))])
                            })),
                ])
            }
            let answer = try connected().ask("shared", [.init("mounts", .array(asked))])
            let points = (answer["points"]?.array ?? []).compactMap {
                $0.string.flatMap { PlanText.bytes($0) }
            }
            found = wanted.filter { points.contains($0.point) }
        }
        if found != origin.shared {
            origin.shared = found
            contents = nil
            try SafeFile.write(.array(found.map(\.value)), to: sharedPath)
        }
        var problems: [String] = []
        var notes = found.map {
            "\($0.text) is mounted at both hosts: its files are neither sent nor written"
        }
        for storage in wanted where !found.contains(storage) {
            let words =
                order.isolation == .machine
                ? "\(storage.text) cannot be had in a machine"
                : "\(storage.text) is not mounted at \(order.host) with the same files"
            if !origin.isAtHost {
                problems.append("\(words): the programs would not find its files")
            } else if order.plan.treeAround(storage.point) == nil {
                notes.append("\(words): what the plan has of it is copied")
            } else {
                problems.append("\(words), and the plan has no entry for it: mount it there, or give it one")
            }
        }
        return (problems + uncopied(), notes)
    }

    /// Other filesystems in trees of the plan, of which nothing would be copied.
    private func uncopied() -> [String] {
        guard origin.isAtHost else { return [] }
        // Those of other machines were found above.
        return order.plan.holes(root: "/").filter { SharedStorage($0.mount) == nil }.map {
            "\(Printable.text($0.point)) is a filesystem of its own in \(Printable.text($0.tree)), and is not copied: give it an entry in the plan"
        }
    }

    private func isNeeded(_ storage: SharedStorage) -> Bool {
        order.plan.entries.contains {
            Self.isCopied($0)
                && ($0.path.isBelow(storage.point) || $0.kind == .tree && storage.point.isBelow($0.path))
        }
    }

    private static func isCopied(_ entry: PlannedEntry) -> Bool {
        entry.treatment == .preCopy || entry.treatment == .finalCopy
    }
}

extension Arrival {
    /// Which of the source's mounts this host has too, with the same files in them.
    func shared(_ request: JSONValue) throws(MoveError) -> JSONValue {
        let here = SharedStorage.here()
        var points: [JSONValue] = []
        for value in request["mounts"]?.array ?? [] {
            guard let storage = value["storage"].flatMap({ SharedStorage($0) }) else {
                throw MoveError("no mount")
            }
            var sample: [(name: [UInt8], size: Int64)] = []
            for pair in value["sample"]?.array ?? [] {
                guard let parts = pair.array, parts.count == 2,
                    let name = parts[0].string.flatMap({ PlanText.bytes($0) }),
                    !name.isEmpty, !name.contains(UInt8(ascii: "/")), !name.contains(0),
                    let size = parts[1].integer.flatMap({ Int64(exactly: $0) })
                else { throw MoveError("no name of a file") }
                sample.append((name, size))
            }
            if here.contains(storage), storage.has(sample) {
                points.append(.string(PlanText.text(storage.point)))
            }
        }
        return .object([.init("points", .array(points))])
    }

    /// What the programs are to find of this host's mounts.
    ///
    /// - Throws: which of it is not mounted.
    func sharedHere(_ request: JSONValue) throws(MoveError) -> [SharedStorage] {
        let wanted = (request["shared"]?.array ?? []).compactMap { SharedStorage($0) }
        guard wanted.count == request["shared"]?.array?.count ?? 0 else { throw MoveError("no mount") }
        guard !wanted.isEmpty else { return [] }
        let here = SharedStorage.here()
        for storage in wanted where !here.contains(storage) {
            throw MoveError("\(storage.text) is not mounted here any more")
        }
        return wanted
    }
}
