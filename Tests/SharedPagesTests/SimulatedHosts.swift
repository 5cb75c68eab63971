import TestSupport

@testable import SharedPages

/// A host's memory as the kernel would have it: what is present, what may be written, and which threads wait.
struct SimulatedMemory: PageMemory {
    struct Broken: Error { var what: String }

    var contents: [UInt32: [UInt8]] = [:]
    var writable: Set<UInt32> = []
    /// Pages on which those who waited were woken.
    var woken: Set<UInt32> = []

    mutating func share(_ page: UInt32) throws(Broken) -> [UInt8] {
        writable.remove(page)
        guard let contents = contents[page] else { throw Broken(what: "shares what it has not") }
        return contents
    }
    mutating func yield(_ page: UInt32) throws(Broken) -> [UInt8] {
        let contents = try share(page)
        self.contents[page] = nil
        return contents
    }
    mutating func drop(_ page: UInt32) throws(Broken) {
        guard contents[page] != nil, !writable.contains(page) else { throw Broken(what: "drops no copy") }
        contents[page] = nil
    }
    mutating func install(_ page: UInt32, _ bytes: [UInt8], isWritable: Bool) throws(Broken) {
        guard contents[page] == nil else { throw Broken(what: "is there already") }
        contents[page] = bytes
        if isWritable { writable.insert(page) }
        woken.insert(page)
    }
    mutating func permit(_ page: UInt32) throws(Broken) {
        guard contents[page] != nil else { throw Broken(what: "permits what is not there") }
        writable.insert(page)
        woken.insert(page)
    }
    mutating func retry(_ page: UInt32, isWritable: Bool) throws(Broken) {
        guard contents[page] != nil else { throw Broken(what: "retries what is not there") }
        if isWritable { writable.insert(page) }
        woken.insert(page)
    }
}

/// Hosts with a thread each that read and write pages at random, and a network that keeps the order of each pair of hosts and no
/// other. After each step it is looked at whether more than one can write, and whether a read sees what was written last.
struct Simulation {
    struct Violation: Error, CustomStringConvertible { var description: String }
    struct Thread {
        var page: UInt32
        var isWrite: Bool
        var isWaiting = false
        var isWoken = false
        var done = 0
    }

    var nodes: [PageNode]
    var memories: [SimulatedMemory]
    var threads: [Thread]
    var wires: [[Int]: [PageMessage]] = [:]
    /// What was written last to each page: a number that grows.
    var last: [UInt64]
    var random: SeededGenerator
    var delivered = 0
    /// Has the home go on as if a copy had been given up as soon as it has asked for it.
    var skipsAcknowledgements = false

    init(hosts: Int, pages: Int, seed: UInt64) {
        nodes = (0..<hosts).map { PageNode(region: 3, pages: pages, host: UInt8($0), home: 0) }
        memories = Array(repeating: SimulatedMemory(), count: hosts)
        last = Array(repeating: 0, count: pages)
        random = SeededGenerator(seed: seed)
        threads = []
        for page in 0..<UInt32(pages) {
            memories[0].contents[page] = Self.bytes(0)
            memories[0].writable.insert(page)
        }
        threads = (0..<hosts).map { _ in Thread(page: 0, isWrite: false) }
        for host in threads.indices { choose(host) }
    }

    static func bytes(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    static func value(_ bytes: [UInt8]) -> UInt64 {
        bytes.enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
    }

    mutating func choose(_ host: Int) {
        threads[host].page = UInt32.random(in: 0..<UInt32(last.count), using: &random)
        threads[host].isWrite = Bool.random(using: &random)
        threads[host].isWaiting = false
    }

    /// One thread does one thing, or one message arrives.
    mutating func step(threadsGoOn: Bool = true) throws -> Bool {
        var choices: [(Int, [Int]?)] = wires.filter { !$0.value.isEmpty }.keys
            .sorted { $0.lexicographicallyPrecedes($1) }.map { (0, $0) }
        for host in threads.indices where !threads[host].isWaiting && threadsGoOn {
            choices.append((host, nil))
        }
        for host in nodes.indices {
            for page in 0..<UInt32(last.count) where nodes[host].isUnsettled(page) {
                // A thread that was woken gets to run some time, which the window of a host is for.
                if threads[host].page == page, threads[host].isWoken, threadsGoOn { continue }
                choices.append((host, [Int(page)]))
            }
        }
        guard let (host, wire) = choices.randomElement(using: &random) else { return false }
        if let wire, wire.count == 1 {
            var out: [(to: UInt8, PageMessage)] = []
            try nodes[host].settle(UInt32(wire[0]), &memories[host], &out)
            try send(out, from: host)
            try wake(host)
            try check()
            return true
        }
        if let wire {
            delivered += 1
            let message = wires[wire]!.removeFirst()
            try receive(message, from: wire[0], at: wire[1])
        } else {
            try run(host)
        }
        try check()
        return true
    }

    private mutating func receive(_ message: PageMessage, from: Int, at host: Int) throws {
        // What was made to look as if it had been said is not heard again.
        if skipsAcknowledgements, message.kind == .acknowledged { return }
        var out: [(to: UInt8, PageMessage)] = []
        try nodes[host].receive(message, from: UInt8(from), &memories[host], &out)
        try send(out, from: host)
        try wake(host)
    }

    private mutating func run(_ host: Int) throws {
        threads[host].isWoken = false
        let thread = threads[host]
        let memory = memories[host]
        let isPossible =
            thread.isWrite ? memory.writable.contains(thread.page) : memory.contents[thread.page] != nil
        guard isPossible else {
            threads[host].isWaiting = true
            var out: [(to: UInt8, PageMessage)] = []
            try nodes[host].fault(thread.page, isWrite: thread.isWrite, &memories[host], &out)
            try send(out, from: host)
            return try wake(host)
        }
        let seen = Self.value(memory.contents[thread.page]!)
        guard seen == last[Int(thread.page)] else {
            throw Violation(
                description:
                    "host \(host) reads \(seen) of page \(thread.page), \(last[Int(thread.page)]) was written"
            )
        }
        if thread.isWrite {
            last[Int(thread.page)] += 1
            memories[host].contents[thread.page] = Self.bytes(last[Int(thread.page)])
        }
        threads[host].done += 1
        choose(host)
    }

    private mutating func wake(_ host: Int) throws {
        if memories[host].woken.contains(threads[host].page), threads[host].isWaiting {
            threads[host].isWaiting = false
            threads[host].isWoken = true
        }
        memories[host].woken = []
    }

    private mutating func send(_ messages: [(to: UInt8, PageMessage)], from host: Int) throws {
        for (to, message) in messages {
            wires[[host, Int(to)], default: []].append(message)
            guard skipsAcknowledgements, message.kind == .invalidate else { continue }
            var out: [(to: UInt8, PageMessage)] = []
            var answer = message
            answer.kind = .acknowledged
            try nodes[host].receive(answer, from: to, &memories[host], &out)
            try send(out, from: host)
        }
    }

    private func check() throws {
        for page in 0..<UInt32(last.count) {
            let writers = memories.indices.filter { memories[$0].writable.contains(page) }
            let readers = memories.indices.filter { memories[$0].contents[page] != nil }
            guard writers.count <= 1, writers.isEmpty || readers.count == 1 else {
                throw Violation(description: "page \(page) has writers \(writers) and readers \(readers)")
            }
        }
    }
}
