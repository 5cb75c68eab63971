import Glibc
import Records

/// In which order the files of a move group are copied.
///
/// The pre-copy runs while the programs do, the final copy after they have stopped; what is copied in the
/// final copy is the length of the stop. So files that are only read or were long not written go first,
/// the large before the small, and those still being written go last.
public struct TransferPlan: Sendable {
    /// When a file is copied.
    public enum Phase: String, Sendable, CaseIterable {
        /// While the programs run.
        case preCopy = "pre-copy"
        /// After they have stopped.
        case finalCopy = "final-copy"
    }

    /// How to plan.
    public struct Options: Sendable {
        /// A file that was written more recently than this before the end of the observation counts as
        /// still being written, nanoseconds.
        public var quiet: UInt64 = 600_000_000_000
        /// Bytes a second that the copy makes.
        public var bandwidth: Double = 100 * 1024 * 1024

        /// Ten minutes, 100 MiB/s.
        public init() {}
    }

    /// A file to be copied.
    public struct Item: Sendable {
        /// Its node in the graph.
        public var node: NodeID
        /// When it is copied.
        public var phase: Phase
        /// Bytes; `nil` if the file could not be looked at.
        public var bytes: UInt64?
        /// Whether any program was seen to open it for writing.
        public var isWritten: Bool
        /// The last use by a program that writes it, nanoseconds since 1970: it was not written later.
        /// 0 if it is not written, or if times are not known.
        public var lastWrite: UInt64
        /// How likely it is that it will have been written again when the pre-copy ends.
        public var rewrite: Double
    }

    /// The files in the order in which to copy them.
    public private(set) var items: [Item] = []
    /// How long the pre-copy takes, seconds.
    public private(set) var preCopySeconds = 0.0

    /// Plans the copy of a group's files.
    ///
    /// - Parameter size: bytes of a file, `nil` if it cannot be looked at.
    public init(
        _ group: MoveGroup, _ options: Options = Options(), size: (NodeID) -> UInt64?
    ) {
        let graph = group.graph
        for node in group.members where graph.kind(node) == .file {
            if let item = Self.item(node, in: graph, options, size) { items.append(item) }
        }
        let bytes = items.filter { $0.phase == .preCopy }.reduce(0.0) { $0 + Double($1.bytes ?? 0) }
        preCopySeconds = options.bandwidth > 0 ? bytes / options.bandwidth : 0
        for position in items.indices where items[position].phase == .preCopy {
            items[position].rewrite = Self.rewrite(items[position], in: graph, during: preCopySeconds)
        }
        sort(graph)
    }

    /// Bytes of a phase whose sizes are known.
    public func bytes(_ phase: Phase) -> UInt64 {
        items.reduce(0) { $0 &+ ($1.phase == phase ? $1.bytes ?? 0 : 0) }
    }

    /// Bytes that the final copy is expected to have: those still being written, and of the others those
    /// that will have been written meanwhile.
    public var expectedFinalBytes: UInt64 {
        let again = items.reduce(0.0) { $0 + $1.rewrite * Double($1.bytes ?? 0) }
        let more = bytes(.finalCopy).addingReportingOverflow(UInt64(min(again.rounded(), 0x1p63)))
        return more.overflow ? .max : more.partialValue
    }

    private static func item(
        _ node: NodeID, in graph: DependencyGraph, _ options: Options, _ size: (NodeID) -> UInt64?
    ) -> Item? {
        var isRegular = true
        var isWritten = false
        var lastWrite: UInt64 = 0
        graph.forEachEdge(at: node) { edge in
            guard edge.isIncoming, edge.mark.link == .file else { return }
            let detail = graph.detail(edge.edge)
            if detail.kind != .regular { isRegular = false }
            guard edge.mark.access.contains(.written) else { return }
            isWritten = true
            lastWrite = max(lastWrite, detail.last)
        }
        guard isRegular else { return nil }
        let end = graph[graph.host(node)].observed.upperBound
        // Without times nothing says that the writing has ended.
        let isBusy =
            isWritten
            && (lastWrite == 0 || lastWrite.addingReportingOverflow(options.quiet).overflow
                || lastWrite &+ options.quiet >= end)
        return Item(
            node: node, phase: isBusy ? .finalCopy : .preCopy, bytes: size(node), isWritten: isWritten,
            lastWrite: lastWrite, rewrite: 0)
    }

    /// Writes come at the rate at which they were seen, at random (a Poisson process).
    private static func rewrite(_ item: Item, in graph: DependencyGraph, during seconds: Double) -> Double {
        guard item.isWritten else { return 0 }
        var writes = 0.0
        var since = UInt64.max
        graph.forEachEdge(at: item.node) { edge in
            guard edge.isIncoming, edge.mark.access.contains(.written) else { return }
            let detail = graph.detail(edge.edge)
            writes += Double(max(detail.count, 1))
            since = min(since, detail.first)
        }
        let end = graph[graph.host(item.node)].observed.upperBound
        guard end > since else { return 0 }
        return 1 - exp(-writes / (Double(end - since) / 1e9) * seconds)
    }

    /// Ties go by host and path, so that the same input gives the same order.
    private mutating func sort(_ graph: DependencyGraph) {
        let keyed = items.map { item in
            (item: item, host: graph[graph.host(item.node)].id, path: graph.withText(item.node) { Array($0) })
        }
        items = keyed.sorted { left, right in
            let (one, other) = (left.item, right.item)
            if one.phase != other.phase { return one.phase == .preCopy }
            // Of those still being written the one that has been quiet longest first.
            if one.phase == .finalCopy, one.lastWrite != other.lastWrite {
                return one.lastWrite < other.lastWrite
            }
            let (bytes, otherBytes) = (one.bytes ?? 0, other.bytes ?? 0)
            if bytes != otherBytes { return bytes > otherBytes }
            if left.host != right.host { return left.host < right.host }
            return left.path.lexicographicallyPrecedes(right.path)
        }.map(\.item)
    }
}
