/* The kernels of cellstep for compiled code: docs/c-api.md says what each function does.

   A program that was compiled with this header runs with every later version of cellstep that has a table of the same
   version or a higher one: fields are added at the end, and none changes. */
#ifndef CELLSTEP_H
#define CELLSTEP_H

#include <stdint.h>

#define CELLSTEP_VERSION 1

/* A C-contiguous array of at most three axes; those that it lacks have the size 1. */
typedef struct cellstep_array {
    void *data;       /* NULL: there is none */
    int64_t itemsize; /* bytes of a number: 4 and 8 of float and double, 1 of a mask */
    int64_t shape[3];
} cellstep_array;

/* One of the numbers that p points to. */
#define CELLSTEP_ARRAY(p, n0, n1, n2) {(void *)(p), (int64_t)sizeof(*(p)), {(n0), (n1), (n2)}}
#define CELLSTEP_NONE {0, 0, {0, 0, 0}}

/* The same as a function, for languages that have no such macros. */
static inline cellstep_array cellstep_describe(const void *data, int64_t itemsize, int64_t n0, int64_t n1, int64_t n2) {
    cellstep_array array = {(void *)data, itemsize, {n0, n1, n2}};
    return array;
}

typedef struct cellstep_api {
    int64_t version; /* of this table */

    /* What was wrong with the last call of this thread that failed. */
    const char *(*error)(void);

    /* Weights in the layout of the kernels; NULL: it failed. */
    void *(*pack)(const char *cell, const char *options, const cellstep_array *weights, int64_t count,
                  int64_t backward);

    /* These give 0, and -1 where they failed. */
    int64_t (*step)(void *weights, const cellstep_array *x, const cellstep_array *states, int64_t count);
    int64_t (*forward)(void *weights, const cellstep_array *x, const cellstep_array *mask,
                       const cellstep_array *first, const cellstep_array *y, const cellstep_array *last, int64_t count,
                       void **tape);
    int64_t (*backward)(void *tape, const cellstep_array *dy, const cellstep_array *dlast, const cellstep_array *dx,
                        const cellstep_array *dfirst, int64_t count, const cellstep_array *dweights, int64_t weights);

    /* Give back what `pack` or `forward` made. */
    void (*release)(void *weights_or_tape);
} cellstep_api;

#ifdef Py_PYTHON_H
/* The table, once Python runs and with the GIL; NULL with an exception set. It lives as long as the process. */
static inline const cellstep_api *cellstep_import(void) {
    PyObject *module = PyImport_ImportModule("cellstep.capi");
    PyObject *capsule = module ? PyObject_GetAttrString(module, "table") : NULL;
    const cellstep_api *api = NULL;
    if (capsule)
        api = (const cellstep_api *)PyCapsule_GetPointer(capsule, "cellstep.capi.table");
    Py_XDECREF(module);
    Py_XDECREF(capsule);
    if (api && api->version < CELLSTEP_VERSION) {
        PyErr_Format(PyExc_ImportError, "expected cellstep with version %d of the table of C functions, got %d",
                     CELLSTEP_VERSION, (int)api->version);
        return NULL;
    }
    return api;
}
#endif

#endif
