import Records

/// The number of a line of programs: the program of an image, that of the image it came from, and so on.
struct LineageID: Hashable, Sendable {
    let rawValue: UInt32
    static let none = LineageID(rawValue: 0)
}

/// Lines of programs, each kept once; processes share them and may be forgotten before them.
///
/// They answer whose descriptor a process closed when it did not open it itself.
struct Lineages: ~Copyable {
    private struct Link: Hashable {
        var program: ProgramID
        var origin: LineageID
    }
    private var links: [Link] = [Link(program: .unknown, origin: .none)]
    private var numbers: [Link: UInt32] = [:]

    /// Lines that are kept.
    private static let most = 1 << 18

    /// How many there are.
    var count: Int { links.count - 1 }

    /// The line that continues `origin` with `program`.
    ///
    /// A program that the line holds already does not lengthen it (a shell that starts a shell that
    /// starts …), so there are never more lines than ways to order programs that really start each other.
    mutating func extend(_ origin: LineageID, with program: ProgramID) -> LineageID {
        var link = origin
        while link != .none {
            if links[Int(link.rawValue)].program == program { return link }
            link = links[Int(link.rawValue)].origin
        }
        let new = Link(program: program, origin: origin)
        if let number = numbers[new] { return LineageID(rawValue: number) }
        // Beyond the bound a program is followed to nobody: whose descriptor it closed is then not known.
        guard links.count < Self.most else { return origin }
        let number = UInt32(links.count)
        links.append(new)
        numbers[new] = number
        return LineageID(rawValue: number)
    }

    /// The line that `line` continues.
    func origin(of line: LineageID) -> LineageID { links[Int(line.rawValue)].origin }

    /// The program at the head of a line.
    func program(of line: LineageID) -> ProgramID { links[Int(line.rawValue)].program }

    /// Takes out lines that nobody continues any more.
    ///
    /// - Returns: the new number of each that stays.
    mutating func reclaim(keeping used: Set<LineageID>) -> [LineageID: LineageID] {
        var isKept = [Bool](repeating: false, count: links.count)
        for line in used { isKept[Int(line.rawValue)] = true }
        // A line stands behind the one that it continues.
        for number in links.indices.reversed() where isKept[number] {
            isKept[Int(links[number].origin.rawValue)] = true
        }
        var numbers: [LineageID: LineageID] = [.none: .none]
        var kept = [Link(program: .unknown, origin: .none)]
        for number in links.indices.dropFirst() where isKept[number] {
            numbers[LineageID(rawValue: UInt32(number))] = LineageID(rawValue: UInt32(kept.count))
            kept.append(Link(program: links[number].program, origin: numbers[links[number].origin] ?? .none))
        }
        links = kept
        return numbers
    }

    /// Follows a renumbering. A program that has neither a record nor a process any more is none that could be credited
    /// with anything.
    mutating func renumber(_ change: Renumbering) {
        numbers = [:]
        for number in links.indices.dropFirst() {
            links[number].program = change(links[number].program)
            numbers[links[number]] = UInt32(number)
        }
    }
}
