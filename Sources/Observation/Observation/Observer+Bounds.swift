import Records

/// What gives way when memory is short, in this order, and how it is counted:
///
/// 1. caches: directories, heads of executables, clients to infer from (`caches_dropped`), ended processes;
/// 2. records of files: their folder's record takes them in, folded (`collapsed`), first where most lie in one folder;
/// 3. new paths: their folder's record stands for them as well (`folded`);
/// 4. new programs and everything else that is new: refused (`refused`), a gap of unknown extent.
///
/// What is recorded stays recorded, at least as a use of what lies below a folder, and goes on being counted.
extension Observer {
    /// How much memory is left.
    enum Pressure: Int, Comparable {
        case none, folding, full

        static func < (left: Pressure, right: Pressure) -> Bool { left.rawValue < right.rawValue }
    }

    /// Whether no text is added for a path that was never met.
    var isFolding: Bool { pressure != .none }

    /// Bytes that records and tables take, about.
    public var footprint: Int {
        // A process with its lists, a connection in two tables, a listener: measured, rounded up.
        ledger.footprint + tree.footprint + kinds.capacity + processes.count * 320 + gapEntries * 24
            + sockets.footprint + lineages.count * 24
    }

    /// Opens between fork and exec that are kept for images to come.
    public var opensAwaitingExec: Int { gapEntries }

    /// Sees to it that memory stays within the budget; to be called between batches.
    mutating func keepWithinBudget() {
        if budget == .max, pressure == .none { return }
        var used = footprint
        if used < budget / 10 * 8 {
            if pressure != .none { setPressure(.none) }
            return
        }
        if tree.count + heads.count > Self.smallCaches {
            tree.empty()
            heads.removeAll()
            chainParser.resolved.removeAll()
            chainParser.likely.removeAll()
            chainParser.loaders.removeAll()
            sockets.dropInferences()
            gapEntries -= min(gapEntries, processes.evictExits(retaining: 0))
            counters.cachesDropped += 1
        }
        if used >= budget {
            reclaim()
            used = footprint
        }
        if used >= budget { setPressure(used >= budget / 10 * 11 ? .full : .folding) }
    }

    /// Keeps tables that others can fill within their bounds, whatever memory there is.
    mutating func evict() {
        if sockets.live.count > SocketTable.mostConnections { settleConnections() }
        sockets.evictConnections()
        counters.evictedConnections += sockets.takeEvicted()
        if heads.count > Self.mostHeads { heads.removeAll() }
        if chainParser.resolved.count + chainParser.loaders.count > Self.mostHeads {
            chainParser.resolved.removeAll()
            chainParser.likely.removeAll()
            chainParser.loaders.removeAll()
        }
    }

    /// Heads of executables, and names of interpreters, that are kept.
    private static var mostHeads: Int { 1 << 14 }

    /// Caches that are not worth dropping.
    private static var smallCaches: Int { 4096 }

    private mutating func setPressure(_ new: Pressure) {
        guard new != pressure else { return }
        pressure = new
        // What stood for a path in the former state is not what stands for it now.
        tree.startEpoch()
    }

    /// Whether a record may be made of this key, or is there already.
    mutating func admits(_ key: RecordKey) -> Bool {
        if pressure < .full || ledger.position(of: key) != nil { return true }
        counters.refused += 1
        return false
    }

    /// The number of a program; unknown for a new one where there is no room for it.
    mutating func number(of program: Program) -> ProgramID {
        if pressure == .full, ledger.number(of: program) == nil {
            counters.refused += 1
            return .unknown
        }
        let count = ledger.programs.count
        let number = ledger.intern(program)
        if ledger.programs.count != count { noteIfOwn(number) }
        return number
    }

    /// The number of an endpoint; `nil` for a new one where there is no room for it.
    mutating func number(of endpoint: Endpoint) -> EndpointID? {
        if pressure == .full, ledger.number(of: endpoint) == nil {
            counters.refused += 1
            return nil
        }
        return ledger.intern(endpoint)
    }

    /// The number of a text that did not come with an event; `.none` for a new one where there is no room.
    mutating func text(_ bytes: [UInt8]) -> TextID {
        guard pressure == .full else { return ledger.texts.intern(bytes) }
        return ledger.texts.find(bytes) ?? .none
    }

    /// The number of a workload's name. An observer that keeps to one workload takes names as they are: it may be one of
    /// those that are made anew.
    mutating func text(workload: [UInt8]) -> TextID {
        guard scope.workload == nil, let name = WorkloadName.recorded(workload) else { return text(workload) }
        return text(name)
    }
}
