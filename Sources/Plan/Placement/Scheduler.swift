/// The schedulers that come with Retinue. Each is a program as anybody else's is: `retinue move scheduler NAME`.
public enum Scheduler: String, CaseIterable, Sendable {
    /// Lets no program wait for a processor while another host has one to spare.
    case balance
    /// Brings programs together that send each other much.
    case together

    /// Answers.
    public func answer(to question: PlacementQuestion) -> PlacementAnswer {
        var state = PlacementState(question)
        state.emptyLeaving { state, move, hosts in
            switch self {
            case .balance: state.leastLoaded(move, hosts)
            case .together: state.closest(move, hosts)
            }
        }
        for _ in 0..<question.limit {
            let next =
                switch self {
                case .balance: state.relief()
                case .together: state.approach()
                }
            guard let next else { break }
            state.place(next)
        }
        return PlacementAnswer(state.placements)
    }
}
