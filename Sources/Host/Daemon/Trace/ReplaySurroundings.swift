import EventTrace
import Observation
import Records

/// Answers as they were recorded: each question gets its answers in their order, the last one again and
/// again. So a recording can be replayed by a version that asks in another order.
final class ReplaySurroundings: Surroundings {
    private var directories = Answers<[UInt8], DirectoryAnswer?>()
    private var processes = Answers<Int32, ProcessFacts?>()
    private var heads = Answers<[UInt8], ExecutableHead>()
    private var kinds = Answers<[UInt8], FileKind?>()
    private var addressLists = Answers<Int, [NetworkAddress]>()

    private struct Answers<Question: Hashable, Answer> {
        private var waiting: [Question: [Answer]] = [:]

        mutating func add(_ question: Question, _ answer: Answer) {
            waiting[question, default: []].append(answer)
        }

        mutating func take(_ question: Question) -> Answer? {
            guard let answer = waiting[question]?.first else { return nil }
            if waiting[question]!.count > 1 { waiting[question]!.removeFirst() }
            return answer
        }
    }

    func add(_ tag: TraceTag, _ payload: PayloadReader) throws(TraceError) {
        var payload = payload
        switch tag {
        case .directoryAnswer:
            directories.add(
                try payload.string(), try payload.optionalString().map { DirectoryAnswer(path: $0) })
        case .directoryChain: directories.add(try payload.string(), try payload.directoryAnswer())
        case .processAnswer:
            let pid: Int32 = try payload.integer()
            guard try payload.bool() else {
                processes.add(pid, nil)
                return
            }
            var facts = try payload.processFacts()
            facts.network = try payload.networkAtEnd()
            facts.reading = try payload.readingAtEnd()
            facts.name = try payload.nameAtEnd()
            if !payload.isAtEnd { facts.argument = try payload.integer() }
            processes.add(pid, facts)
        case .headAnswer: heads.add(try payload.string(), try payload.head())
        case .kindAnswer:
            let path = try payload.string()
            let kind: UInt8 = try payload.integer()
            kinds.add(path, kind == 0 ? nil : FileKind(rawValue: kind - 1))
        case .addressesAnswer: addressLists.add(0, try payload.addresses())
        default: break
        }
    }

    func directory(
        _ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? { directories.take(identity) ?? nil }
    func process(_ pid: Int32) -> ProcessFacts? { processes.take(pid) ?? nil }
    func head(ofFile path: [UInt8]) -> ExecutableHead { heads.take(path) ?? .unknown }
    func kind(ofFile path: [UInt8]) -> FileKind? { kinds.take(path) ?? nil }
    func addresses() -> [NetworkAddress] { addressLists.take(0) ?? [] }
}
