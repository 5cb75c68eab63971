import Records
import Text

/// What is worked out about one batch; kept between batches only for its memory.
struct BatchWork {
    /// Path of each file event's object; for a rename the new one; `.none` where it is not known or is not needed.
    var paths: [TextID] = []
    /// Events whose object's path is beyond the bound: `paths` has the nearest directory above that is not.
    var beyond: Set<Int> = []
    /// The directory that each event's object lies in, or is; 0 for none. Kept if a directory is moved in the batch.
    var directories: [DirectoryTree.Number] = []
    /// Position of each file event in the list of its process.
    var positions: [Int32] = []
    /// How many file events each process has so far.
    var lengths = PidTable<Int32>()
    /// Opens for execution by process.
    var elements = PidTable<[ExecChainParser.Element]>()
    /// Those of the process whose chains are being made, kept for its memory.
    var elementsOfOne: [ExecChainParser.Element] = []
    /// Chains by process, made from `elements`.
    var chains = PidTable<[ExecChain]>()
    /// Images that a process had in the course of the batch, if more than one.
    var timelines = PidTable<Timeline>()
    /// Processes that were made, in the order of their forks.
    var forked: [Int32] = []
    /// Moves between control groups that are still to be applied, the next one last.
    var moves: [MoveEvent] = []
    /// Processes that were asked for in vain.
    var missing: Set<Int32> = []
    /// Whether the host's addresses were asked for.
    var hasAskedAddresses = false
    /// Renames of directories: they matter for a directory that is asked for before its rename is read.
    var directoryMoves: [Int] = []
    /// Those that were not read yet, the next one last, of each directory.
    var nextMoves: [DirectoryTree.IdentityNumber: [Int]] = [:]

    mutating func begin(_ batch: borrowing EventBatch) {
        paths.reserveCapacity(batch.files.count)
        positions.reserveCapacity(batch.files.count)
    }

    mutating func end() {
        let most = 1 << 13
        paths.removeAll(keepingCapacity: paths.capacity <= most)
        positions.removeAll(keepingCapacity: positions.capacity <= most)
        lengths.removeAll(keepingCapacity: lengths.capacity <= most)
        elements.removeAll(keepingCapacity: elements.capacity <= most)
        chains.removeAll(keepingCapacity: chains.capacity <= most)
        timelines.removeAll(keepingCapacity: timelines.capacity <= most)
        forked.removeAll()
        moves.removeAll()
        missing.removeAll()
        hasAskedAddresses = false
        directoryMoves.removeAll()
        nextMoves.removeAll()
        beyond.removeAll()
        directories.removeAll(keepingCapacity: directories.capacity <= most)
    }
}
