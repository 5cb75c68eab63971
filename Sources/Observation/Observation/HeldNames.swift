import Records

/// Names that were made by events behind which nothing of their process stands in the batch: whether an open made them,
/// or link(2) or mknod(2), the next event of the process says.
///
/// open(2) with `O_CREAT` reports the name and then the open. The kernel merges the two where they wait together, and a
/// read that comes between them has the one without the other.
struct HeldNames {
    /// One name.
    struct Name {
        let pid: Int32
        var path: TextID
        let isBeyond: Bool
        /// The image that made it.
        var image: Image
        /// The batch's, nanoseconds since 1970.
        let time: UInt64
    }

    private(set) var names: [Name] = []

    var isEmpty: Bool { names.isEmpty }

    mutating func append(_ name: Name) { names.append(name) }

    /// Takes all of them out.
    mutating func take() -> [Name] {
        defer { names.removeAll() }
        return names
    }

    func addUses(to uses: inout LedgerUses, _ lines: inout Set<LineageID>) {
        for name in names {
            uses.texts.append(name.path)
            uses.programs.append(name.image.program)
            lines.insert(name.image.lineage)
        }
    }

    mutating func renumber(_ change: Renumbering, _ lines: [LineageID: LineageID]) {
        for index in names.indices {
            names[index].path = change(names[index].path)
            names[index].image.renumber(change, lines)
        }
    }
}
