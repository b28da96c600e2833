// ops_matrix.cpp - products of matrices. The transposes of the gradient rules cost nothing: they
// are flags of the next product.
#include "stflow/autodiff/ops.h"
#include "stflow/tensor/blas.h"

namespace stflow {

// C = A B, where A is a or a^T and B is b or b^T:
//     dA = dC B^T : [M,K] = [M,N][N,K],   dB = A^T dC : [K,N] = [K,M][M,N]
// Of a transposed argument the gradient is transposed: da = dA^T = B dC^T, db = dB^T = dC^T A.
Var matmul(const Var& a, const Var& b, bool transpose_a, bool transpose_b) {
  if (b.rank() == 2 && a.rank() > 2) {  // one matrix for all leading axes: fold them into the rows
    const Var rows = transpose_a ? transpose(a) : a;
    const Var flat = matmul(reshape(rows, {-1, rows.dim(-1)}), b, false, transpose_b);
    return reshape(flat, rows.shape().with(-1, flat.dim(-1)));
  }
  return make_node("matmul", matmul(a.value(), b.value(), transpose_a, transpose_b), {a, b},
                   [=](const Var& out, const Var& up) {
                     Var to_left, to_right;
                     if (out.wants(0)) {
                       const Var& right = out.input(1);
                       to_left = transpose_a ? matmul(right, up, transpose_b, true)
                                             : matmul(up, right, false, !transpose_b);
                     }
                     if (out.wants(1)) {
                       const Var& left = out.input(0);
                       to_right = transpose_b ? matmul(up, left, true, transpose_a)
                                              : matmul(left, up, !transpose_a, false);
                     }
                     return Vars{to_left, to_right};
                   });
}

// y = x w + b:  dx = dy w^T : [B,I] = [B,O][O,I],   dw = x^T dy : [I,O] = [I,B][B,O],
//     db = sum of the rows of dy : [O] from [B,O], which is the engine's work
Var linear(const Var& x, const Var& weight, const Var& bias) {
  Vars inputs{x, weight};
  if (bias) inputs.push_back(bias);
  return make_node(
      "linear", linear(x.value(), weight.value(), bias ? bias.value() : Tensor()), inputs,
      [](const Var& out, const Var& up) -> Vars {
        const Shape &in = out.input_shape(0), &w = out.input_shape(1);
        const Var up_rows = reshape(up, {-1, w[1]});
        Vars gradients(out.inputs().size());
        if (out.wants(0)) gradients[0] = reshape(matmul(up_rows, out.input(1), false, true), in);
        if (out.wants(1)) {
          gradients[1] = linear_weight_gradient(up_rows, reshape(out.input(0), {-1, w[0]}));
        }
        if (gradients.size() > 2) gradients[2] = up_rows;
        return gradients;
      });
}

// W = x^T u:  du = x dW : [B,O] = [B,I][I,O],   dx = u dW^T : [B,I] = [B,O][O,I]
Var linear_weight_gradient(const Var& up, const Var& x) {
  return make_node("linear_weight_gradient", linear_weight_gradient(up.value(), x.value()), {up, x},
                   [](const Var& out, const Var& g) {
                     return Vars{out.wants(0) ? matmul(out.input(1), g) : Var(),
                                 out.wants(1) ? matmul(out.input(0), g, false, true) : Var()};
                   });
}

}  // namespace stflow
