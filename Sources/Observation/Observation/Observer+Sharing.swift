import Records

extension Mechanism {
    /// Whether it leads from one end to another; else it is an object that any number share.
    var hasEnds: Bool {
        switch self {
        case .unix, .fifo, .pipe: true
        case .shm, .sem, .msg, .posixShm, .mqueue: false
        }
    }
}

extension Observer {
    /// So many programs that share an object each name each other one: their records grow with the square.
    static let sharersThatMeet = 16

    /// Notes an object that programs share, for each program once, whatever number of its processes has it.
    ///
    /// A program that is alone with it gets a record without a peer: nothing ties it to another one, but it
    /// uses the object. Of more than `sharersThatMeet` programs the one that was known first names each other
    /// one and is named by each: whoever follows the records still comes from any of them to all.
    mutating func takeShared(_ object: ChannelSnapshot, _ time: UInt64) {
        let sharers = programs(of: object.holders)
        // As with channels, who is in another network namespace is not named as a program of this host.
        let named = Set(programs(of: near(object.holders)))
        let name = text(object.name)
        func note(_ program: ProgramID, _ peer: ProgramID, _ observer: inout Self) {
            let peer = named.contains(peer) ? peer : .unknown
            observer.noteOnce(
                .ipc(program, object.mechanism, name: name, peer: peer), [], .regular, time)
        }
        if sharers.count == 1 { note(sharers[0], .unknown, &self) }
        guard sharers.count <= Self.sharersThatMeet else {
            let hub = sharers.min { $0.rawValue < $1.rawValue }!
            for program in sharers where program != hub {
                note(hub, program, &self)
                note(program, hub, &self)
            }
            return
        }
        for program in sharers {
            for peer in sharers where peer != program { note(program, peer, &self) }
        }
    }
}
