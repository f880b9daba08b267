/* An LSTM's gradients, computed in C: a module of Python with one function.

   gcc -shared -fPIC $(python3-config --includes) -I$(python -c "import cellstep; print(cellstep.get_include())") \
       from_c.c -o from_c.so */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cellstep.h"

static const cellstep_api *cs;

/* The sum of y and its gradients, for arrays that the caller has made: x, W, U, b; y; dx; dW, dU, db, which are added to.
   Their shapes are not looked at here: cellstep does that. */
static PyObject *gradients(PyObject *self, PyObject *arguments) {
    enum { X, W, Y = 4, DX, DW, ARRAYS = 9 };
    Py_buffer views[ARRAYS];
    cellstep_array arrays[ARRAYS], dy, no_states[2] = {CELLSTEP_NONE, CELLSTEP_NONE};
    void *weights = NULL, *tape = NULL;
    float *ones = NULL;
    int64_t numbers = 1;
    int n = 0, ok = 0;
    double sum = 0;
    (void)self;

    for (; n < ARRAYS && n < PyTuple_GET_SIZE(arguments); n++) {
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(arguments, n), &views[n], PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0)
            goto done;
        arrays[n] = (cellstep_array){views[n].buf, views[n].itemsize, {1, 1, 1}};
        for (int k = 0; k < views[n].ndim && k < 3; k++)
            arrays[n].shape[k] = views[n].shape[k];
    }
    if (n < ARRAYS) {
        PyErr_Format(PyExc_TypeError, "expected %d arrays", ARRAYS);
        goto done;
    }

    weights = cs->pack("lstm", "recurrent_activation=sigmoid", &arrays[W], 3, 1);
    ok = weights && cs->forward(weights, &arrays[X], NULL, NULL, &arrays[Y], no_states, 2, &tape) == 0;
    if (ok) {
        for (int k = 0; k < 3; k++)
            numbers *= arrays[Y].shape[k];
        ones = malloc(sizeof(float) * (size_t)(numbers + 1));
        for (int64_t i = 0; ones && i < numbers; i++) {
            ones[i] = 1;
            sum += ((float *)arrays[Y].data)[i];
        }
        dy = arrays[Y];
        dy.data = ones;
        ok = ones && cs->backward(tape, &dy, NULL, &arrays[DX], NULL, 2, &arrays[DW], 3) == 0;
    }
    if (!ok)
        PyErr_SetString(PyExc_ValueError, cs->error());
done:
    free(ones);
    cs->release(tape);
    cs->release(weights);
    while (n--)
        PyBuffer_Release(&views[n]);
    return ok ? PyFloat_FromDouble(sum) : NULL;
}

static PyMethodDef methods[] = {{"gradients", gradients, METH_VARARGS, "x, W, U, b, y, dx, dW, dU, db -> sum of y"}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "from_c", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_from_c(void) {
    cs = cellstep_import();
    return cs ? PyModule_Create(&module) : NULL;
}
