import HTTPService
import Net
import RetinueCommands

/// Answers requests, each by its path.
final class Service: Sendable {
    private let snapshots: Snapshots
    private let records: ServedRecords
    private let token: AccessToken?
    private let place: HTTPPlace

    init(_ snapshots: Snapshots, _ records: ServedRecords, token: AccessToken?, place: HTTPPlace) {
        self.snapshots = snapshots
        self.records = records
        self.token = token
        self.place = place
    }

    /// A group may take seconds; nobody who asks for the health waits for it.
    static let lane: @Sendable (HTTPRequest) -> HTTPLane = { request in
        switch request.pathText {
        case "/api/v1/group", "/api/v1/why", "/map": .long
        default: .quick
        }
    }

    func answer(_ request: HTTPRequest) -> HTTPResponse {
        guard isMeant(request) else {
            return HTTPResponse(
                421, text: "this is no name of this server: ask by 127.0.0.1, [::1] or localhost")
        }
        let path = request.pathText ?? ""
        if path == "/healthz" { return health() }
        if let token, !token.isIn(request.field("authorization")) {
            return HTTPResponse(
                401, text: "a token is needed: Authorization: Bearer TOKEN",
                fields: [("WWW-Authenticate", "Bearer, Basic realm=\"retinue\"")])
        }
        if path == "/metrics" { return MetricsPage(snapshots, records).response() }
        if MapRoute.isMap(path) { return MapRoute(snapshots).answer(path, request.query) }
        if path.hasPrefix("/api/") { return API(snapshots).answer(path, request.query) }
        return HTTPResponse(404, text: "nothing is here; /api/v1/openapi.json says what there is")
    }

    /// Whether the client meant this server: a page of somebody else's, whose name a resolver turns into 127.0.0.1, has
    /// that name in `Host` (DNS rebinding). With a token such a page has nothing to ask with.
    private func isMeant(_ request: HTTPRequest) -> Bool {
        guard token == nil, case .internet = place, var host = request.field("host") else { return true }
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") { host = String(host[..<colon]) }
        if host.lowercased() == "localhost" { return true }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return NetworkAddress(host)?.isLoopback ?? false
    }

    private func health() -> HTTPResponse {
        // Reads them anew if they are old: a daemon that has gone is noticed.
        do throws(AnswerError) {
            _ = try snapshots.current()
        } catch {
            return HTTPResponse(503, text: error.message)
        }
        if let problem = snapshots.health.problem { return HTTPResponse(503, text: problem.message) }
        return HTTPResponse(200, text: "ok")
    }
}
