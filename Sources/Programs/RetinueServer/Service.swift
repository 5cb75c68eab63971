import Net
import RetinueCommands
import WebServer

/// What the server answers, by its paths, and whom.
struct Service: Sendable {
    private let snapshots: Snapshots
    private let metrics: MetricsPage
    private let token: AccessToken?
    private let place: HTTPPlace

    init(_ snapshots: Snapshots, _ records: ServedRecords, token: AccessToken?, place: HTTPPlace) {
        self.snapshots = snapshots
        metrics = MetricsPage(snapshots, records)
        self.token = token
        self.place = place
    }

    /// The only path that needs no token.
    private static let health = "/healthz"

    /// A group may take seconds; nobody who asks for the health waits for it.
    var routes: [WebRoute] {
        let api = API(snapshots)
        let answer: @Sendable (WebRequest) -> WebAnswer = { api.answer($0.pathText ?? "", $0.query) }
        let pages = MapRoute(snapshots)
        let map: @Sendable (WebRequest) -> WebAnswer = { pages.answer($0.pathText ?? "", $0.query) }
        return [
            WebRoute(Self.health) { [self] _ in healthAnswer() },
            WebRoute("/metrics") { [self] _ in metrics.response() },
            WebRoute("/api/v1/group", lane: .long, answer: answer),
            WebRoute("/api/v1/why", lane: .long, answer: answer),
            WebRoute("/api/v1/plan", lane: .long, answer: answer),
            WebRoute("/api/v1/simulate", lane: .long, answer: answer),
            WebRoute("/api/**", answer: answer),
            WebRoute("/map", lane: .long, answer: map),
            WebRoute("/map/**", answer: map),
        ]
    }

    /// What a request is answered with that is not let in.
    @Sendable func refusal(_ request: WebRequest) -> WebAnswer? {
        guard isMeant(request) else {
            return WebAnswer(
                421, text: "this is no name of this server: ask by 127.0.0.1, [::1] or localhost")
        }
        guard let token, request.pathText != Self.health, !token.isIn(request.authorization) else {
            return nil
        }
        return WebAnswer(
            401, text: "a token is needed: Authorization: Bearer TOKEN",
            fields: [("WWW-Authenticate", "Bearer, Basic realm=\"retinue\"")])
    }

    /// Whether the client meant this server: a page of somebody else's, whose name a resolver turns into 127.0.0.1, has
    /// that name in `Host` (DNS rebinding). With a token such a page has nothing to ask with.
    private func isMeant(_ request: WebRequest) -> Bool {
        guard token == nil, case .internet = place, var host = request.host else { return true }
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") { host = String(host[..<colon]) }
        if host.lowercased() == "localhost" { return true }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return NetworkAddress(host)?.isLoopback ?? false
    }

    private func healthAnswer() -> WebAnswer {
        // Reads them anew if they are old: a daemon that has gone is noticed.
        do throws(AnswerError) {
            _ = try snapshots.current()
        } catch {
            return WebAnswer(503, text: error.message)
        }
        if let problem = snapshots.health.problem { return WebAnswer(503, text: problem.message) }
        return WebAnswer(200, text: "ok")
    }
}
