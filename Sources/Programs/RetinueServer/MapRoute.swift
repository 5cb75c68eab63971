import Map
import MoveGroup
import Records
import RetinueCommands
import WebServer

/// `/map` and what lies below it: the records that were read last, as pages.
struct MapRoute {
    private let snapshots: Snapshots

    init(_ snapshots: Snapshots) { self.snapshots = snapshots }

    func answer(_ path: String, _ query: [(name: [UInt8], value: [UInt8])]) -> WebAnswer {
        let snapshots = snapshots
        let answer = MapPage.answer(String(path.dropFirst(4)), query) { () throws(MapProblem) in
            do throws(AnswerError) {
                return ShownRecords(
                    snapshot: try snapshots.current(), problem: snapshots.health.problem?.message)
            } catch { throw MapProblem(error) }
        }
        return WebAnswer(
            answer.status, type: answer.type, body: answer.body,
            fields: answer.fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }
}

/// A snapshot as the map takes it.
private struct ShownRecords: MapRecords {
    let snapshot: Snapshot
    let problem: String?

    var graph: DependencyGraph { snapshot.graph.graph }
    var time: UInt64 { snapshot.time }

    func search(_ words: String, offset: Int, limit: Int) -> (found: [NodeID], total: Int) {
        let (found, total) = snapshot.search(words, offset: offset, limit: limit)
        return (found.map(\.node), total)
    }

    func group(of program: String) throws(MapProblem) -> GroupReport {
        do throws(AnswerError) {
            return try snapshot.graph.group(of: program)
        } catch { throw MapProblem(error) }
    }

    func name(_ node: NodeID) -> String { snapshot.graph.name(node) }

    /// Records have none: only where a host's files are here.
    func size(of file: NodeID) -> UInt64? { snapshot.graph.size(of: file) }
}

extension MapProblem {
    fileprivate init(_ error: AnswerError) {
        let problem = APIProblem(error)
        self.init(problem.status, problem.detail, choices: problem.choices)
    }
}
